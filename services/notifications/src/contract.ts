import { defineErrors, type defineRoute } from '@ashlar/platform/contract'

export const notificationsErrors = defineErrors({})

/** No route of its own yet: messages come from events. Health, metrics and the OpenAPI document are every service's. */
export const notificationsRoutes = {} as const satisfies Record<string, ReturnType<typeof defineRoute>>
