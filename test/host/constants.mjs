// Takes the place of `dist/config/constants.js` in the code that the tests start: see `test/runner/build.mjs`.
import { Constants as Shipped } from '../../dist/config/constants.js';

/** The variable that gives the service of a test another value: `healthMaxAgeMs` by CONSTANT_HEALTH_MAX_AGE_MS. */
const variableOf = (property) => `CONSTANT_${property.replace(/[A-Z]/g, '_$&').toUpperCase()}`;

const PROPERTIES = new Map(Object.keys(new Shipped()).map((property) => [variableOf(property), property]));

export class Constants extends Shipped {
  constructor() {
    super();
    for (const [variable, value] of Object.entries(process.env)) {
      if (!variable.startsWith('CONSTANT_')) continue;
      const property = PROPERTIES.get(variable);
      if (property === undefined) throw new Error(`${variable} names no constant`);
      this[property] = Number(value);
    }
  }
}
