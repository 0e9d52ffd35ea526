// Planted: services-meet-through-contracts
import { charge } from '../../../payments/src/domain/charge.ts'
export const crossing = charge
