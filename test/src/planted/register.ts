import * as module from 'node:module';
import { load } from './hooks.ts';

// registerHooks where there is one: see ../model/register.ts.
const { registerHooks } = module as { registerHooks?: (hooks: { load: unknown }) => void };
if (registerHooks === undefined) module.register('./hooks.js', import.meta.url);
else registerHooks({ load });
