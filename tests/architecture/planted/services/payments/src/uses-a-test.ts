// Planted: tests-stay-outside
import fc from 'fast-check'
export const property = fc
