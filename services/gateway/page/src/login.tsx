import { type FormEvent, useState } from 'react';
import { login } from './api.ts';
import { messageOf } from './format.ts';

/** The login form. */
export const Login = ({ onLogin }: { onLogin: () => void }) => {
  const [fault, setFault] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setFault(null);
    try {
      await login(String(form.get('username')), String(form.get('password')));
      onLogin();
    } catch (error) {
      setFault(messageOf(error));
      setBusy(false);
    }
  };
  return (
    <div className="login">
      <form className="card" onSubmit={(event) => void submit(event)}>
        <img src="/weir.svg" alt="" width="56" height="56" />
        <h1>Weir</h1>
        <label>
          User name
          <input name="username" defaultValue="admin" autoComplete="username" required />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        {fault !== null && (
          <p className="fault" role="alert">
            {fault}
          </p>
        )}
        <button type="submit" disabled={busy}>
          Log in
        </button>
        <p className="hint">The first start of Weir printed the password of “admin”.</p>
      </form>
    </div>
  );
};
