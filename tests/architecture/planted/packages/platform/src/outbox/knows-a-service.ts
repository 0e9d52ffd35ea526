// Planted: platform-knows-no-service
import { charge } from '../../../../services/payments/src/domain/charge.ts'
export const business = charge
