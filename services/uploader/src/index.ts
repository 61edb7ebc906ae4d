export { openUploader, type Uploader, type UploaderDeps } from './service.ts';
