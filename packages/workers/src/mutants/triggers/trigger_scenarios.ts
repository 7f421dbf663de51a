/** All trigger scenarios, found by their names like the others. Next: ../lockstep_hunts.ts says which mutant trips over which */
import type { Scenario } from '../../scenario.ts';
import { AREA_SCENARIOS } from './area_triggers.ts';
import { FILE_SCENARIOS } from './file_triggers.ts';
import { PAGE_SCENARIOS } from './page_triggers.ts';

export const TRIGGER_SCENARIOS: readonly Scenario[] = [...AREA_SCENARIOS, ...FILE_SCENARIOS, ...PAGE_SCENARIOS];
