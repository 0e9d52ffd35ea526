export { ClusterUnavailable, DataDirInUse } from './errors.ts'
export { runningClusterPort } from './leftover.ts'
export { type DataDirHolder, type DataDirLock, findRunning, lockDataDir } from './lock.ts'
export { startCluster } from './start.ts'
export type {
  ClusterDatabase,
  ClusterLog,
  ClusterOptions,
  ClusterRole,
  ClusterState,
  EmbeddedCluster,
} from './types.ts'
