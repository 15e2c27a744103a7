# AG_CHECK_CFLAG(FLAG, VARIABLE): append FLAG to VARIABLE when the compiler takes it.
AC_DEFUN([AG_CHECK_CFLAG], [
  AS_VAR_PUSHDEF([ag_var], [ag_cv_cflag_$1])
  AC_CACHE_CHECK([whether $CC accepts $1], [ag_var], [
    ag_saved_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -Werror $1"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
      [AS_VAR_SET([ag_var], [yes])], [AS_VAR_SET([ag_var], [no])])
    CFLAGS=$ag_saved_CFLAGS
  ])
  AS_VAR_IF([ag_var], [yes], [$2="$$2 $1"])
  AS_VAR_POPDEF([ag_var])
])

# AG_CHECK_LDFLAG(FLAG, VARIABLE): the same for the linker.
AC_DEFUN([AG_CHECK_LDFLAG], [
  AS_VAR_PUSHDEF([ag_var], [ag_cv_ldflag_$1])
  AC_CACHE_CHECK([whether $CC links with $1], [ag_var], [
    ag_saved_LDFLAGS=$LDFLAGS
    LDFLAGS="$LDFLAGS -Werror $1"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
      [AS_VAR_SET([ag_var], [yes])], [AS_VAR_SET([ag_var], [no])])
    LDFLAGS=$ag_saved_LDFLAGS
  ])
  AS_VAR_IF([ag_var], [yes], [$2="$$2 $1"])
  AS_VAR_POPDEF([ag_var])
])
