// Planted: infrastructure-and-api-do-not-meet
import { route } from '../api/runs-sql.ts'
export const adapter = route
