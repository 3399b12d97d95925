/* The numbers that a process's standard input, output and error have, for stores that open files of which others choose the number. */
#ifndef FFP_SUPPORT_STANDARD_H
#define FFP_SUPPORT_STANDARD_H

/*
 * Where the host has closed one of the three, /dev/null takes its number, so that no file or socket of ours does: what is
 * printed would go into the store, to its server, or into the locks of all who use it. They are not given back, since
 * another thread may rely on them, which opens another store, and what is there by then may be the host's.
 */
void ffp_hold_standard(void);

#endif
