// Planted: kernel-needs-nothing
import { z } from 'zod'
export const schema = z.string()
