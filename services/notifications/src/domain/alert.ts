/** What a security alert says. No link: a mail that teaches people to follow links out of alarms helps the next forger. */
export type Alert = { headline: string; message: string; advice: string }

export const ALERTS = {
  refreshReused: {
    headline: 'A session of yours was ended',
    message:
      'An old key of one of your sessions was used again. That happens when a key was copied, so the whole session was ended.',
    advice: 'Your other sessions still work. If this was not you, sign out everywhere and change your password.',
  },
  passwordChanged: {
    headline: 'Your password was changed',
    message: 'The password of your account was changed. Whoever was signed in elsewhere has been signed out.',
    advice: 'If this was not you, ask for a new password at once, and tell us.',
  },
  deactivated: {
    headline: 'Your account was deactivated',
    message: 'Your account was deactivated. Nobody can sign in with it any more, and all sessions have ended.',
    advice: 'If you did not expect this, please get in touch with us.',
  },
  activated: {
    headline: 'Your account is active again',
    message: 'Your account was activated again. You can sign in with the password you had.',
    advice: 'If you did not expect this, please get in touch with us.',
  },
} as const satisfies Record<string, Alert>
