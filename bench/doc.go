// Package bench measures the parts of the engine, and the libraries that they can
// be built on, against each other on the machine at hand.
//
// Every suite is a configuration, a default and a full one, and a function:
//
//	gram         symmetric rank-k updates, every CBLAS backend
//	eigenvalues  all eigenvalues of Gram matrices, every LAPACK backend
//	quantize     the loops over weights, against a copy of as many bytes
//	fit          power-law fits of spectra of three kinds
//	read         safetensors files in the page cache, against plain reads
//	whole        complete analyses of a synthetic checkpoint
//
// The command "wwq-fast bench" runs them in one process and interleaves the
// variants of a case, one run each and round again, so that whatever else the
// machine does falls on all of them alike. The same cases are Go benchmarks of
// this package ("go test -bench . ./bench"), named key=value for benchstat:
// compare backends with "benchstat -col /backend".
//
// A timing of a BLAS means nothing without the kernels that it ran, so reports
// carry a [Machine], and Go benchmarks print the same as configuration lines.
//
// There are no flags and no globals. Only one suite should run at a time: the
// number of threads of the linked BLAS is a setting of the process.
package bench
