// `npm run setup`: installs the packages and builds the page, for machines where a service manager starts Weir.
import { setUp } from './setup.mjs';

setUp();
