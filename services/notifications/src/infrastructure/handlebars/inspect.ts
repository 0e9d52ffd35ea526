import Handlebars from 'handlebars'
import type { TemplateNeeds } from '../../domain/template.ts'

type Node = hbs.AST.Node

/** What a text refers to, and the first thing in it that is not offered. */
export type Inspection = { uses: ReadonlySet<string>; conditions: ReadonlySet<string>; flaw?: string }

const MAX_DEPTH = 20
/** Parser and compiler take a good part of a millisecond for each. */
const MAX_EXPRESSIONS = 300
const NAME = /^[a-zA-Z][a-zA-Z0-9]{0,63}$/
const REFUSED_NAMES: readonly string[] = ['constructor', 'prototype', 'hasOwnProperty', 'toString', 'valueOf']

/**
 * Reads a text of somebody's own. Offered are plain variables, comments, `if` and `unless` with `else`, and in HTML the
 * partials `layout` and `button`. Nothing that repeats or calls itself: what is offered runs once through its text.
 */
export const inspect = (source: string, kind: 'html' | 'plain'): Inspection => {
  const uses = new Set<string>()
  const conditions = new Set<string>()

  const variable = (node: Node): string => {
    const path = node as hbs.AST.PathExpression
    const name = path.parts?.[0]
    const plain =
      node.type === 'PathExpression' &&
      !path.data &&
      path.depth === 0 &&
      path.parts.length === 1 &&
      path.original === name
    if (!plain || typeof name !== 'string' || !NAME.test(name) || REFUSED_NAMES.includes(name)) {
      throw new Refused(node, 'only plain names of variables are offered')
    }
    return name
  }

  const mustache = (node: hbs.AST.MustacheStatement): void => {
    if (node.params.length > 0 || (node.hash?.pairs.length ?? 0) > 0)
      throw new Refused(node, 'no helper takes a value here')
    if (!node.escaped && kind === 'html') throw new Refused(node, 'unescaped values are not offered in HTML')
    uses.add(variable(node.path))
  }

  const block = (node: hbs.AST.BlockStatement, depth: number): void => {
    const helper = (node.path as hbs.AST.PathExpression).original
    if (helper !== 'if' && helper !== 'unless') throw new Refused(node, 'the only blocks are if and unless')
    const [condition, ...more] = node.params
    if (!condition || more.length > 0 || node.hash || node.program?.blockParams) {
      throw new Refused(node, `${helper} takes one variable`)
    }
    const name = variable(condition)
    uses.add(name)
    conditions.add(name)
    if (node.program) program(node.program, depth)
    if (node.inverse) program(node.inverse, depth)
  }

  const partial = (node: hbs.AST.PartialStatement | hbs.AST.PartialBlockStatement, wanted: string): void => {
    if (kind !== 'html') throw new Refused(node, 'partials are offered in HTML only')
    const called = node.name as hbs.AST.PathExpression
    if (called.type !== 'PathExpression' || called.original !== wanted || node.params.length > 0) {
      throw new Refused(node, 'the only partials are {{#> layout}}…{{/layout}} and {{> button}}')
    }
    const given = new Set<string>()
    for (const { key, value } of node.hash?.pairs ?? []) {
      given.add(key)
      if (value.type === 'StringLiteral') continue
      uses.add(variable(value))
    }
    const parameters = wanted === 'layout' ? ['heading'] : ['label', 'link']
    const missing = parameters.filter((name) => !given.has(name))
    const unknown = [...given].filter((name) => !parameters.includes(name))
    if (unknown.length > 0) throw new Refused(node, `${wanted} does not take ${unknown.join(', ')}`)
    // What is not given to a partial is a variable of the template.
    for (const name of missing) uses.add(name)
  }

  const statement = (node: hbs.AST.Statement, depth: number): void => {
    switch (node.type) {
      case 'ContentStatement':
      case 'CommentStatement':
        return
      case 'MustacheStatement':
        mustache(node as hbs.AST.MustacheStatement)
        return
      case 'BlockStatement':
        block(node as hbs.AST.BlockStatement, depth)
        return
      case 'PartialStatement':
        partial(node as hbs.AST.PartialStatement, 'button')
        return
      case 'PartialBlockStatement':
        partial(node as hbs.AST.PartialBlockStatement, 'layout')
        program((node as hbs.AST.PartialBlockStatement).program, depth)
        return
      default:
        throw new Refused(node, 'this is not offered')
    }
  }

  const program = ({ body }: hbs.AST.Program, depth: number): void => {
    if (depth >= MAX_DEPTH) throw new Error(`blocks may nest ${MAX_DEPTH} deep`)
    for (const node of body) statement(node, depth + 1)
  }

  try {
    if (source.split('{{').length - 1 > MAX_EXPRESSIONS) throw new Error(`at most ${MAX_EXPRESSIONS} expressions`)
    program(Handlebars.parse(source), 0)
    return { uses, conditions }
  } catch (error) {
    return { uses, conditions, flaw: messageOf(error) }
  }
}

class Refused extends Error {
  constructor(node: Node, reason: string) {
    const { line, column } = node.loc.start
    super(`line ${line}, column ${column + 1}: ${reason}`)
    this.name = 'Refused'
  }
}

/** A parser that ran out of stack has met nothing that a mail needs. */
const messageOf = (error: unknown): string => {
  if (error instanceof RangeError) return 'this nests too deep'
  const text = error instanceof Error ? error.message : String(error)
  return text.split('\n').slice(0, 4).join(' ').slice(0, 300)
}

/** A variable that somewhere is a condition may be missing; any other has to be given. */
export const needsOf = (inspections: readonly Inspection[]): TemplateNeeds => {
  const names = [...new Set(inspections.flatMap(({ uses }) => [...uses]))].sort()
  const optional = new Set(inspections.flatMap(({ conditions }) => [...conditions]))
  return Object.fromEntries(names.map((name) => [name, optional.has(name) ? 'optional' : 'required'] as const))
}
