export const businessFree = true
