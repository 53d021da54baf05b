/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One line per message on stderr: "headraced[worker 1] tcp: text key=value". Roles log;
 * library code (base, dns parsers, stack, flow) returns errors instead. Each call site is
 * rate-limited (LOG_BURST lines a second, then a count of those left out).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_site {
	unsigned long long window_ms;
	unsigned int lines;
	unsigned int left_out;
};

/* `who` names the process in each line and must outlive it; lines above `level` are dropped. */
void log_setup(const char *who, enum log_level level);
enum log_level log_level(void);
/* "error" | "warn" | "info" | "debug" -> level; -EINVAL for anything else. */
int log_level_parse(const char *text, enum log_level *ret_level);

void log_write(struct log_site *site, enum log_level level, const char *component, const char *fmt,
	       ...) __attribute__((format(printf, 4, 5)));

#define LOG_AT(level, component, ...)                                                              \
	do {                                                                                       \
		static struct log_site log_site_;                                                  \
		if ((level) <= log_level())                                                        \
			log_write(&log_site_, level, component, __VA_ARGS__);                      \
	} while (0)

#define log_err(component, ...) LOG_AT(LOG_LEVEL_ERROR, component, __VA_ARGS__)
#define log_warn(component, ...) LOG_AT(LOG_LEVEL_WARN, component, __VA_ARGS__)
#define log_info(component, ...) LOG_AT(LOG_LEVEL_INFO, component, __VA_ARGS__)
#define log_debug(component, ...) LOG_AT(LOG_LEVEL_DEBUG, component, __VA_ARGS__)

#endif
