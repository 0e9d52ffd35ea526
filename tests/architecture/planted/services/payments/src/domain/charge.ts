export const charge = (): number => 1
