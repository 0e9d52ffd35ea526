// Planted: chance in a domain
export const roll = (): number => Math.ceil(Math.random() * 6)
