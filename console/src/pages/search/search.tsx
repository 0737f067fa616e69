import { useCallback, useEffect, useState } from 'react'
import { useLocation } from 'wouter'
import { type Asked, useAsked } from '../../api/asked.ts'
import type { Found } from '../../api/bodies.ts'
import { type ApiError, post } from '../../api/http.ts'
import { Page } from '../../kit/page.tsx'
import { Empty, ErrorNote, Loading } from '../../kit/states.tsx'
import { placeOf } from './place.ts'
import { Results } from './results.tsx'
import s from './search.module.css'

/** What was typed into the box in the header, looked for everywhere. A SID leads straight to where it stands. */
export function Search() {
  const asked = useAsked()
  return <Page title="Search">{asked ? <Answer key={asked.at} asked={asked} /> : <WhatCanBeFound />}</Page>
}

function Answer({ asked: { query } }: { asked: Asked }) {
  const [found, setFound] = useState<Found>()
  const [error, setError] = useState<ApiError>()
  const [, navigate] = useLocation()
  const search = useCallback(() => {
    setError(undefined)
    post<Found>('/maskline/v1/Search', { Query: query }).then(setFound, setError)
  }, [query])
  useEffect(search, [search])
  const place = found && placeOf(found)
  useEffect(() => {
    if (place) navigate(place, { replace: true })
  }, [place, navigate])
  if (error) return <ErrorNote error={error} retry={search} />
  if (!found || place) return <Loading what="Searching" />
  if (found.query_kind === 'nothing') return <WhatCanBeFound title={found.note ?? 'Nothing was found.'} />
  return <Results found={found} />
}

const WhatCanBeFound = ({ title = 'What are you looking for?' }: { title?: string }) => (
  <Empty title={title}>
    <p>The box above finds:</p>
    <dl className={s.kinds}>
      <dt>a person’s number</dt>
      <dd>
        as in +1 202 555 0123: the sessions they are in and all they sent or were sent. That it was looked for goes on
        record.
      </dd>
      <dt>a proxy number</dt>
      <dd>the sessions that use it, and what passed over it.</dd>
      <dt>a session’s name</dt>
      <dd>as in order-1234, in any service.</dd>
      <dt>a SID</dt>
      <dd>of a service, session, participant, message, call, number or callback: leads straight there.</dd>
    </dl>
  </Empty>
)
