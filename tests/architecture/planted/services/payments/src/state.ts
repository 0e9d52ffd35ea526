// Planted: module-level state
export const seen = new Map<string, number>()
export let counter = 0
export const count = (): number => ++counter
