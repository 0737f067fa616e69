import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// `npm run dev -w console` serves the sources beside a server that runs, whose addresses it passes on.
const server = process.env.MASKLINE_URL ?? 'http://localhost:8080'
const passedOn = ['/v1', '/maskline', '/simulator', '/media', '/console/session']

export default defineConfig({
  base: '/console/',
  plugins: [react()],
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false }, reportCompressedSize: false },
  server: { host: '127.0.0.1', proxy: Object.fromEntries(passedOn.map((path) => [path, server])) },
})
