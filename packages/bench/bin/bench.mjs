#!/usr/bin/env node
/**
 * The command that runs the benchmarks.
 */
import '@faultlab/bench/run';
