/** Certificates of an authority of one's own, made by openssl. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireProgram } from './programs.ts';

/** PEM texts and the files that hold them. */
export type IssuedCertificate = { cert: string; key: string; certFile: string; keyFile: string };

/** An authority: its own certificate, and what it issues. */
export type Authority = {
  ca: string;
  caFile: string;
  /** Issues for names such as `DNS:localhost`; valid from and to as `YYYYMMDDhhmmssZ`, default for a day. */
  issue(name: string, names?: readonly string[], valid?: { from: string; to: string }): IssuedCertificate;
};

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Makes an authority whose files lie in `directory`. */
export const makeAuthority = (directory: string, name = 'authority'): Authority => {
  const openssl = (...args: string[]) => execFileSync(requireProgram('openssl'), args, { stdio: 'pipe' });
  const file = (end: string) => join(directory, `${name}${end}`);
  const [caFile, caKey] = [file('.pem'), file('.key')];
  openssl('req', '-x509', ...newKey, '-keyout', caKey, '-out', caFile, '-subj', `/CN=${name}`, '-days', '2');
  return {
    ca: readFileSync(caFile, 'utf8'),
    caFile,
    issue(subject, names = ['DNS:localhost', 'IP:127.0.0.1'], valid) {
      const [certFile, keyFile, request] = [file(`-${subject}.pem`), file(`-${subject}.key`), file(`-${subject}.csr`)];
      openssl('req', '-new', ...newKey, '-keyout', keyFile, '-out', request, '-subj', `/CN=${subject}`);
      const extensions = file(`-${subject}.ext`);
      writeFileSync(extensions, `subjectAltName=${names.join(',')}\n`);
      const from = ['-extfile', extensions, '-in', request, '-out', certFile];
      if (valid === undefined)
        openssl('x509', '-req', '-CA', caFile, '-CAkey', caKey, '-CAcreateserial', '-days', '1', ...from);
      else {
        // Only `ca` dates a certificate, and it wants a database.
        const settings = file(`-${subject}.cnf`);
        const [database, fresh] = [file(`-${subject}.db`), directory];
        writeFileSync(database, '');
        const lines = [
          '[ca]',
          'default_ca=d',
          '[d]',
          `database=${database}`,
          `new_certs_dir=${fresh}`,
          'rand_serial=yes',
        ];
        writeFileSync(settings, [...lines, 'default_md=sha256', 'policy=p', '[p]', 'CN=supplied', ''].join('\n'));
        const time = ['-startdate', valid.from, '-enddate', valid.to];
        openssl('ca', '-batch', '-notext', '-config', settings, '-cert', caFile, '-keyfile', caKey, ...time, ...from);
      }
      return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile, keyFile };
    },
  };
};
