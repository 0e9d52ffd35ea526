import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, Served } from '../processes.ts'

/** `1.22.1`; undefined where there is none. */
export const nginxVersion = (): string | undefined => {
  const { error, stderr } = spawnSync('nginx', ['-v'], { encoding: 'utf8' })
  return error ? undefined : /nginx\/([\d.]+)/.exec(stderr)?.[1]
}

/**
 * nginx with one worker in front of the server on `upstreamPort`. Connections are kept for as long as they are used, and
 * lines of its log leave in blocks, as on the other side of the comparison.
 */
export const startNginx = async (folder: string, upstreamPort: number): Promise<Served> => {
  const port = await freePort()
  const configuration = join(folder, 'nginx.conf')
  await writeFile(
    configuration,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;
events { worker_connections 1024; }
http {
  access_log ${folder}/access.log combined buffer=16k flush=1s;
  keepalive_requests 100000000;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  upstream peer { server 127.0.0.1:${upstreamPort}; keepalive 32; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://peer; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`,
  )
  return Served.start({
    file: 'nginx',
    args: ['-c', configuration],
    port,
    env: process.env,
    log: join(folder, 'nginx.out'),
    readyPath: '/ready',
  })
}
