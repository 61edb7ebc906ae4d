export { openRecorder, type Recorder, type RecorderOptions } from './service.ts';
