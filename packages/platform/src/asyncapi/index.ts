/** The document of everything that is said on the bus. */
export { buildAsyncApi, type EventService } from './build.ts'
