/**
 * ISO 4217 (list one): each active currency with an exponent, grouped by it. Codes without one
 * (gold, test codes, units of account: XAU, XXX, XTS, XDR, XBA–XBD, XSU, XUA, XPD, XPT, XAG) are not money here.
 */
const BY_EXPONENT = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF',
  2: `AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
    CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG
    HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR
    MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD
    SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD
    XCG YER ZAR ZMW ZWG`,
  3: 'BHD IQD JOD KWD LYD OMR TND',
  4: 'CLF UYW',
} as const

export type Currency = string

/** Code → number of decimal places of its minor unit. */
export const CURRENCIES: ReadonlyMap<Currency, number> = new Map(
  Object.entries(BY_EXPONENT).flatMap(([exponent, codes]) =>
    codes.split(/\s+/).map((code): [Currency, number] => [code, Number(exponent)]),
  ),
)

export const isCurrency = (code: string): code is Currency => CURRENCIES.has(code)

/** The number of decimal places of a currency; throws on a code that `isCurrency` refuses. */
export const exponentOf = (code: Currency): number => {
  const exponent = CURRENCIES.get(code)
  if (exponent === undefined) throw new Error(`not a currency: ${code}`)
  return exponent
}
