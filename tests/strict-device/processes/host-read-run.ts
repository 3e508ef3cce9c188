/** Reads device memory from the host. */
import { strict } from './strict.ts';

strict.readFromHost();
