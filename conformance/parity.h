/* ff-conformance parity: random operations into stores and into a model of the contract, which must answer the same. */
#ifndef FFP_PARITY_H
#define FFP_PARITY_H

/* The program's command, with its name as the first argument. Answers the exit status. */
int ffp_parity(int count, char **arguments);

#endif
