export { isEnvelope, toEnvelope } from './envelope.ts'
export { defineEvent, type Envelope, type EventType, type NewEvent } from './event.ts'
