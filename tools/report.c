// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The flow report (see report.h): one row per ended flow, the most bytes first, then a line
 * of sums. Flows that are not shown are counted, so that the line tells the truth whatever
 * the daemon leaves out.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/flow_row.h"
#include "tools/format.h"
#include "tools/object.h"
#include "tools/report.h"

#define REPORT_TIMEOUT_MS 10000 /* for each line */

struct report_flow {
	uint64_t bytes;
	json_t *flow;
};

struct report {
	struct report_flow *flows;
	size_t count;
	size_t size;
	json_t *summary;
};

static void report_done(struct report *r)
{
	for (size_t i = 0; i < r->count; i++)
		json_decref(r->flows[i].flow);
	free(r->flows);
	json_decref(r->summary);
}

static int report_add(struct report *r, json_t *flow)
{
	if (r->count == r->size) {
		size_t size = r->size ? 2 * r->size : 64;
		struct report_flow *flows = realloc(r->flows, size * sizeof(*flows));

		if (!flows)
			return -ENOMEM;
		r->flows = flows;
		r->size = size;
	}
	r->flows[r->count++] = (struct report_flow){ flow_row_bytes(flow), json_incref(flow) };
	return 0;
}

/* One line of the answer. 1 = more to come, 0 = done, -errno. */
static int report_line(struct report *r, const struct report_options *opt, const char *line,
		       FILE *out)
{
	const char *kind;
	json_t *root;
	json_t *object;
	int ret = 1;

	switch (client_parse(line, &root, &kind, &object)) {
	case ANSWER_OBJECT:
		if (opt->json)
			fprintf(out, "%s\n", line);
		else if (!strcmp(kind, "flow"))
			ret = report_add(r, object) ? -ENOMEM : 1;
		else if (!strcmp(kind, "summary") && !r->summary)
			r->summary = json_incref(object);
		break;
	case ANSWER_DONE:
		ret = 0;
		break;
	case ANSWER_ERROR:
	case ANSWER_BROKEN:
		ret = -EPROTO;
		break;
	}
	json_decref(root);
	return ret;
}

static int compare_bytes(const void *a, const void *b)
{
	uint64_t x = ((const struct report_flow *)a)->bytes;
	uint64_t y = ((const struct report_flow *)b)->bytes;

	return (x < y) - (x > y);
}

/* By reason, those that are not zero. */
static void print_drops(const json_t *drops, FILE *out)
{
	const char *reason;
	const char *before = ", dropped or refused: ";
	json_t *count;

	json_object_foreach((json_t *)drops, reason, count) {
		char text[FLOW_TEXT_MAX];

		fprintf(out, "%s%s %lld", before, format_text(reason, text, sizeof(text)),
			(long long)json_integer_value(count));
		before = ", ";
	}
}

static void print_summary(const struct report *r, size_t shown, FILE *out)
{
	char up[FORMAT_MAX];
	char down[FORMAT_MAX];
	uint64_t flows = object_number(r->summary, "flows");
	uint64_t queries = object_number(r->summary, "dns_queries");

	fprintf(out, "headrace: %" PRIu64 " flow%s, %s up, %s down", flows, flows == 1 ? "" : "s",
		format_bytes(object_number(r->summary, "bytes_up"), up),
		format_bytes(object_number(r->summary, "bytes_down"), down));
	if (queries)
		fprintf(out, ", %" PRIu64 " DNS quer%s", queries, queries == 1 ? "y" : "ies");
	print_drops(json_object_get(r->summary, "drops"), out);
	if (flows > shown)
		fprintf(out, "; %" PRIu64 " smaller flow%s not shown (--report shows all)",
			flows - shown, flows - shown == 1 ? "" : "s");
	fputc('\n', out);
}

static int print_table(const struct report *r, size_t shown, FILE *out)
{
	struct table *table = NULL;
	struct flow_row row;
	int err = table_new(flow_columns, FLOW_CELL_NUM, &table);

	for (size_t i = 0; i < shown && !err; i++) {
		flow_row_fill(&row, r->flows[i].flow);
		err = table_add(table, row.cells, row.tone);
	}
	if (!err)
		table_print(table, out);
	table_free(table);
	return err;
}

static int print_report(struct report *r, const struct report_options *opt, FILE *out)
{
	size_t shown = r->count;
	int err;

	if (r->count)
		qsort(r->flows, r->count, sizeof(*r->flows), compare_bytes);
	if (!opt->full && shown > REPORT_SHORT)
		shown = REPORT_SHORT;
	err = print_table(r, shown, out);
	if (!err)
		print_summary(r, shown, out);
	return err;
}

int report_print(struct client *c, const struct report_options *opt, FILE *out)
{
	json_t *request =
		json_pack("{s:s, s:b}", "command", "report", "full", opt->full || opt->json);
	struct report report = { 0 };
	const char *line;
	int ret = request ? client_request(c, request, -1) : -ENOMEM;

	json_decref(request);
	if (ret)
		return ret;
	do {
		ret = client_line(c, REPORT_TIMEOUT_MS, &line);
		ret = ret > 0 ? report_line(&report, opt, line, out) : ret ? ret : -EPIPE;
	} while (ret > 0);
	if (!ret && !opt->json)
		ret = print_report(&report, opt, out);
	report_done(&report);
	return ret;
}
