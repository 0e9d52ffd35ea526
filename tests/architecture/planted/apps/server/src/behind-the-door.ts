// Planted: doors-only
import { charge } from '../../../services/payments/src/domain/charge.ts'
export const behind = charge
