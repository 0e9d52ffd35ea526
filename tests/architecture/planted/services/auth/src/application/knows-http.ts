// Planted: application-knows-no-adapter
import { createHttpServer } from '@ashlar/platform/http'
export const useCase = createHttpServer
