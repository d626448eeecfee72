import kleur from 'kleur';

kleur.enabled = false;
export const greet = (who) => kleur.bold(`hello from ${who}`);
