import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, Served } from '../processes.ts'

export const hasNginx = (): boolean => spawnSync('nginx', ['-v']).error === undefined

/** nginx with one worker and kept-alive connections, in front of the server on `upstreamPort`. */
export const startNginx = async (folder: string, upstreamPort: number): Promise<Served> => {
  const port = await freePort()
  const configuration = join(folder, 'nginx.conf')
  await writeFile(
    configuration,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;
events { worker_connections 1024; }
http {
  access_log ${folder}/access.log;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  upstream peer { server 127.0.0.1:${upstreamPort}; keepalive 32; }
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
