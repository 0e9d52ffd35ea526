declare const brand: unique symbol

/** A primitive that went through its one named crossing (`parseEmail`, `toUserId`) and cannot be mistaken for another. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** Closes a `switch`: a case that was forgotten fails the type check here. */
export const unreachable = (value: never): never => {
  throw new Error(`unreachable: ${JSON.stringify(value)}`)
}
