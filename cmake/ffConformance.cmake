# ff_add_conformance(<target> <harness.c> [SOURCES <file>...])
#
# Makes the program <target> out of a harness, whose main calls ff_conformance_main (<ff/conformance.h>), and of the
# backend's own sources, and adds it as a test of the same name. What the backend links is added by
# target_link_libraries(<target> PRIVATE ...).
function(ff_add_conformance target harness)
	cmake_parse_arguments(PARSE_ARGV 2 arg "" "" SOURCES)
	if(arg_UNPARSED_ARGUMENTS)
		message(FATAL_ERROR "ff_add_conformance does not know '${arg_UNPARSED_ARGUMENTS}'")
	endif()
	add_executable(${target} ${harness} ${arg_SOURCES})
	target_link_libraries(${target} PRIVATE ff::conformance)
	add_test(NAME ${target} COMMAND ${target})
endfunction()
