/** The configuration: stated per part, read once, all mistakes told at once. */
export { type CoreSettings, completeCore, coreSettings } from './core.ts'
export { ConfigurationError, type LoadOptions, loadSettings } from './load.ts'
export { configurationReference, envExample } from './reference.ts'
export { defineSettings, type Setting, type SettingsGroup, type SettingsOf } from './settings.ts'
