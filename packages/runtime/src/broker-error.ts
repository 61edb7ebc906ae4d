import { oneLine, WeirError } from './errors.ts';

type Kind = { code: 'broker_refused' | 'broker_untrusted' | 'broker_unavailable' | 'alias_taken'; what: string };

const clockSays = (): string => new Date().toISOString().slice(0, 16).replace('T', ' ');

/**
 * Of a certificate that cannot be trusted, by the code of Node's TLS: what is wrong with it and what to do; `setting` is
 * where an authority is made known.
 */
export const certificateFault = (code: string, message: string, setting: string): string | undefined => {
  // A site's battery-less clock says 1970 or years ahead until it is set.
  const clock = `by the clock of this machine, which says ${clockSays()} UTC: set the clock if it is wrong, else renew the certificate`;
  if (code === 'CERT_NOT_YET_VALID') return `has a certificate that is not valid yet, ${clock}`;
  if (code === 'CERT_HAS_EXPIRED') return `has a certificate that has expired, ${clock}`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `has a certificate for another name (${message}): use a URL with a name of the certificate`;
  if (/ALERT_(?:CERTIFICATE_REQUIRED|UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_)/.test(code))
    return 'asks for a certificate of an authority that it knows: set [net4mqtt] cert and key';
  if (/SELF_SIGNED_CERT|UNABLE_TO_(?:GET_ISSUER|VERIFY_LEAF)|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE/.test(code))
    return `has a certificate of an unknown authority (${message}): set ${setting} to that authority's, or correct the URL`;
  return undefined;
};

const kindOf = (code: unknown, message: string): Kind => {
  // CONNACK codes (MQTT 3.1.1 §3.2.2.3).
  if (code === 4 || code === 5)
    return { code: 'broker_refused', what: 'refuses the credentials: correct user name and password' };
  if (code === 2)
    return {
      code: 'alias_taken',
      what: 'has a client of this alias already: give each node its own alias, or stop the other',
    };
  const fault = typeof code === 'string' ? certificateFault(code, message, '[net4mqtt] ca') : undefined;
  if (fault !== undefined) return { code: 'broker_untrusted', what: fault };
  return {
    code: 'broker_unavailable',
    what: `does not answer (${message || String(code)}): check that it runs and the URL`,
  };
};

/** Names the error of a connect: the credentials, the alias, the certificate, or a broker that does not answer. */
export const connectError = (error: unknown, url: string): WeirError => {
  const { code } = error as { code?: unknown };
  const kind = kindOf(code, oneLine(error));
  return new WeirError(kind.code, `broker ${url} ${kind.what}`, { cause: error });
};
