// Planted: platform-doors-only
import { businessFree } from '../../../packages/platform/src/outbox/inner.ts'
export const inner = businessFree
