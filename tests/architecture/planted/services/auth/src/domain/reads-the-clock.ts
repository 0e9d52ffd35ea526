// Planted: domain-is-pure
import { readFileSync } from 'node:fs'
export const decide = (): string => readFileSync('/etc/hostname', 'utf8')
