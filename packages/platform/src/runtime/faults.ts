/** Named places where a test may make the program wait, throw or end. In production every hit is free. */
export type Faults = { hit(point: string): Promise<void> }

export const noFaults: Faults = { hit: () => Promise.resolve() }
