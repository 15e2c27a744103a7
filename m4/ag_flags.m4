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

# AG_CHECK_LTO: LTO_CFLAGS, LTO_LDFLAGS and NO_LTO_LDFLAGS when the compiler is a gcc that writes fat
# objects and its linker optimises them.  clang takes the flags and means something else by them.
AC_DEFUN([AG_CHECK_LTO], [
  AC_CACHE_CHECK([whether $CC optimises across files], [ag_cv_lto], [
    ag_saved_CFLAGS=$CFLAGS
    ag_saved_LDFLAGS=$LDFLAGS
    CFLAGS="$CFLAGS -Werror -flto -ffat-lto-objects"
    LDFLAGS="$LDFLAGS -flto=auto"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#if defined(__clang__) || !defined(__GNUC__) || __GNUC__ < 10
#error "not a gcc that is known to"
#endif
]], [])], [ag_cv_lto=yes], [ag_cv_lto=no])
    CFLAGS=$ag_saved_CFLAGS
    LDFLAGS=$ag_saved_LDFLAGS
  ])
  AS_IF([test $ag_cv_lto = yes], [
    LTO_CFLAGS="-flto -ffat-lto-objects"
    LTO_LDFLAGS="-flto=auto"
    NO_LTO_LDFLAGS="-fno-lto"])
])
