/**
 * The fences between the rooms of the house: domain ← application ← {infrastructure, api} ← index ← apps/server.
 * tests/architecture plants a violation of each rule and expects it to be caught.
 */
const service = '^(?:tests/architecture/planted/)?services/([^/]+)'
const tests = '\\.(?:test|conformance|fixture)\\.ts$|/test/'

export default {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'A cycle has no layer.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'domain-is-pure',
      comment: 'domain/ decides with plain values: it imports the kernel, its own folder, and digests. Types may come from anywhere.',
      severity: 'error',
      from: { path: `${service}/src/domain/`, pathNot: tests },
      to: {
        pathNot: ['(?:^|/)services/$1/src/domain/', '(?:^|/)packages/kernel/src/', '^(?:node:)?crypto$'],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'application-knows-no-adapter',
      comment: 'A use case sees ports, never what fulfils them, and knows no HTTP. (HTTP is what the gateway is about.)',
      severity: 'error',
      from: { path: `${service}/src/application/`, pathNot: [tests, '^services/gateway/'] },
      to: {
        dependencyTypesNot: ['type-only'],
        path: [
          '(?:^|/)services/$1/src/(?:infrastructure|api|index)',
          '(?:^|/)packages/platform/src/(?:http|cluster|cdc|config|testing)/',
          'node_modules/(?:fastify|pg|kysely|undici|nodemailer|amqplib|ioredis|mongodb)/',
        ],
      },
    },
    {
      name: 'infrastructure-and-api-do-not-meet',
      comment: 'Adapters meet in index.ts, where a service is put together.',
      severity: 'error',
      from: { path: `${service}/src/infrastructure/`, pathNot: tests },
      to: { path: '(?:^|/)services/$1/src/(?:api/|index\\.ts)' },
    },
    {
      name: 'api-knows-no-store',
      comment: 'A route calls a use case; SQL has one home.',
      severity: 'error',
      from: { path: `${service}/src/api/`, pathNot: tests },
      to: {
        path: ['(?:^|/)services/$1/src/(?:infrastructure/|index\\.ts)', 'node_modules/(?:pg|kysely)/'],
      },
    },
    {
      name: 'services-meet-through-contracts',
      comment: 'No service calls the code of another one: only its contract is visible.',
      severity: 'error',
      from: { path: `${service}/`, pathNot: tests },
      to: { path: '(?:^|/)services/([^/]+)/', pathNot: ['(?:^|/)services/$1/', '/src/contract\\.ts$'] },
    },
    {
      name: 'contract-is-plain',
      comment: 'A contract is data for clients too: schemas and names, no server. A long one has parts in contract/, which are seen through contract.ts alone.',
      severity: 'error',
      from: { path: `${service}/src/contract(?:\\.ts$|/)` },
      to: {
        pathNot: [
          'node_modules/zod/',
          '(?:^|/)services/$1/src/contract/',
          '(?:^|/)packages/(?:kernel|platform)/src/(?:contract/|events/|[^/]+\\.ts$)',
        ],
      },
    },
    {
      name: 'doors-only',
      comment: 'From outside, a service is its door and its contract.',
      severity: 'error',
      from: { path: '^(?:tests/architecture/planted/)?(?:apps|bench)/', pathNot: tests },
      to: { path: '(?:^|/)services/[^/]+/src/', pathNot: '/src/(?:index|contract)\\.ts$' },
    },
    {
      name: 'platform-knows-no-service',
      comment: 'Technical adapters carry no business.',
      severity: 'error',
      from: { path: '^(?:tests/architecture/planted/)?packages/', pathNot: tests },
      to: { path: '(?:^|/)(?:services|apps)/' },
    },
    {
      name: 'platform-doors-only',
      comment: 'A platform module is used through its door.',
      severity: 'error',
      from: { path: '^(?:tests/architecture/planted/)?(?:services|apps)/', pathNot: tests },
      to: { path: '(?:^|/)packages/platform/src/', pathNot: '/src/[^/]+/index\\.ts$' },
    },
    {
      name: 'kernel-needs-nothing',
      comment: 'The vocabulary has no dependency.',
      severity: 'error',
      from: { path: '^(?:tests/architecture/planted/)?packages/kernel/src/', pathNot: tests },
      to: { pathNot: ['(?:^|/)packages/kernel/src/', '^(?:node:)?crypto$'] },
    },
    {
      name: 'tests-stay-outside',
      comment: 'The program never imports what only tests use.',
      severity: 'error',
      from: { path: '^(?:tests/architecture/planted/)?(?:packages|services|apps)/', pathNot: [tests, '^packages/platform/src/testing/'] },
      to: { path: ['\\.test\\.ts$', '\\.conformance\\.ts$', '(?:^|/)packages/platform/src/testing/', 'node_modules/(?:vitest|fast-check)/'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^tests/(?!architecture/planted)' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'default'] },
  },
}
