/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* lwIP's test suites include a configure script's header; they need nothing of it. */
