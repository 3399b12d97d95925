/* Keeping house (FF-RB-4, FF-MT-1), on call and on a thread of the engine's own (FF-RB-6). */
#ifndef FFP_TICK_H
#define FFP_TICK_H

#include "engine.h"

/* Stops the background thread, if there is one, and waits for it. */
void ffp_tick_stop(ff_engine *engine);

/* How long that thread rests behind a tick that took so long. */
int64_t ffp_tick_rest_ms(uint32_t interval_ms, int64_t took_us);

#endif
