// Planted: contract-is-plain
import { request } from 'node:http'
export const contract = request
