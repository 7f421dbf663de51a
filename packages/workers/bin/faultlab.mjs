#!/usr/bin/env node
/**
 * The command `faultlab`.
 */
import { main } from '@faultlab/workers/cli/main';

process.exitCode = await main(process.argv.slice(2));
