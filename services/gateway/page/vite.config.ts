import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  // The player is most of the page and loads only when somebody plays a recording.
  build: { target: 'es2022', chunkSizeWarningLimit: 1200 },
});
