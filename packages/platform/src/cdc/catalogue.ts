import type pg from 'pg'
import type { AuditedTable } from './types.ts'

export type Catalogue = ReadonlyMap<string, AuditedTable>

type Row = {
  table_name: string
  entity: string
  entity_id: string
  person: string | null
  personal: string[] | null
  columns: string[] | null
  primary_key: string[]
}

const QUERY = `
  SELECT t.table_name, t.entity, t.entity_id, t.person, t.personal, t.columns,
         ARRAY(SELECT a.attname::text
                 FROM pg_index i
                 CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k(number, place)
                 JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                WHERE i.indrelid = to_regclass(format('public.%I', t.table_name)) AND i.indisprimary
                ORDER BY k.place) AS primary_key
    FROM ashlar.tables t
   WHERE t.technical_reason IS NULL`

/** The audited tables as the source's own catalogue declares them, by name. */
export const loadCatalogue = async (client: pg.Client): Promise<Catalogue> => {
  const { rows } = await client.query<Row>(QUERY)
  return new Map(
    rows.map((row) => [
      row.table_name,
      {
        name: row.table_name,
        entity: row.entity,
        entityId: row.entity_id,
        person: row.person,
        personal: row.personal ?? [],
        columns: row.columns,
        primaryKey: row.primary_key,
      },
    ]),
  )
}

/** For a published table that nobody declared: captured under its own name rather than dropped. */
export const undeclared = (name: string, columns: readonly string[]): AuditedTable => ({
  name,
  entity: name,
  entityId: columns[0] ?? 'id',
  person: null,
  personal: [],
  columns: null,
  primaryKey: [...columns],
})
