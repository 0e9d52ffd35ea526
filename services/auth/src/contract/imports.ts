import { z } from 'zod'
import { name } from './shapes.ts'

/** One line of an import. `passwordHash`: bcrypt of a cost up to 12, or argon2id. */
export const importedUser = z.strictObject({
  email: z.string().max(320),
  firstName: name,
  lastName: name,
  passwordHash: z.string().max(512),
  emailVerified: z.boolean().default(false),
})
