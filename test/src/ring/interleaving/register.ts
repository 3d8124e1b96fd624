import * as module from 'node:module';
import { resolve } from './hooks.ts';

// registerHooks where there is one: on Node 26 register is on its way out; Node 20 has nothing else.
const { registerHooks } = module as { registerHooks?: (hooks: { resolve: unknown }) => void };
if (registerHooks === undefined) module.register('./hooks.js', import.meta.url);
else registerHooks({ resolve });
