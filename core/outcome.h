/* The outcome that is recorded under an idempotency key, as text and back (FF-RU-6). Pure. */
#ifndef FFP_OUTCOME_H
#define FFP_OUTCOME_H

#include <ff/backend.h>
#include <ff/ff.h>

/* The text of an outcome, in the arena or static. data is NULL where memory is out. */
ff_text ffp_outcome_write(const ff_outcome *outcome, ff_arena *arena);

/* Reads a recorded outcome; `replayed` is set. FF_E_CORRUPT, with *fault saying why, where it cannot be trusted. */
ff_code ffp_outcome_parse(ff_text text, ff_outcome *outcome, const char **fault);

#endif
